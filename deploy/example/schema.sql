-- The base tables of the example company. Nobody but the owner reads them: each tenant's reader sees only the views of its own schema
-- (views.py), which leave out the columns marked "hidden" here. Column comments are copied onto the views.
create schema if not exists app;

create table app.company_build (
  tenant text primary key,
  first_day date not null,
  last_day date not null,
  size text not null,
  seed bigint not null,
  version integer not null
);

create table app.branches (
  tenant text not null,
  id bigint not null,
  name text not null,
  city text not null,
  country text not null,
  opened_on date not null,
  seats integer not null,
  monthly_rent numeric(10, 2) not null, -- hidden
  primary key (tenant, id)
);

create table app.sectors (
  tenant text not null,
  id bigint not null,
  branch_id bigint not null,
  name text not null,
  primary key (tenant, id),
  foreign key (tenant, branch_id) references app.branches
);

create table app.dining_tables (
  tenant text not null,
  id bigint not null,
  branch_id bigint not null,
  sector_id bigint not null,
  label text not null,
  seats integer not null,
  primary key (tenant, id),
  foreign key (tenant, branch_id) references app.branches,
  foreign key (tenant, sector_id) references app.sectors
);

create table app.staff (
  tenant text not null,
  id bigint not null,
  branch_id bigint not null,
  name text not null,
  role text not null,
  hired_on date not null,
  left_on date,
  salary numeric(10, 2) not null, -- hidden
  national_id text not null, -- hidden
  phone text not null, -- hidden
  primary key (tenant, id),
  foreign key (tenant, branch_id) references app.branches
);

create table app.menu_categories (
  tenant text not null,
  id bigint not null,
  name text not null,
  primary key (tenant, id)
);

create table app.menu_items (
  tenant text not null,
  id bigint not null,
  category_id bigint not null,
  name text not null,
  price numeric(8, 2) not null,
  is_vegetarian boolean not null,
  recipe_notes text not null, -- hidden
  primary key (tenant, id),
  foreign key (tenant, category_id) references app.menu_categories
);

create table app.allergens (
  tenant text not null,
  id bigint not null,
  name text not null,
  primary key (tenant, id)
);

create table app.menu_item_allergens (
  tenant text not null,
  menu_item_id bigint not null,
  allergen_id bigint not null,
  primary key (tenant, menu_item_id, allergen_id),
  foreign key (tenant, menu_item_id) references app.menu_items,
  foreign key (tenant, allergen_id) references app.allergens
);

create table app.suppliers (
  tenant text not null,
  id bigint not null,
  name text not null,
  product_group text not null,
  city text not null,
  payment_days integer not null,
  iban text not null, -- hidden
  primary key (tenant, id)
);

create table app.purchases (
  tenant text not null,
  id bigint not null,
  branch_id bigint not null,
  supplier_id bigint not null,
  ordered_on date not null,
  promised_on date not null,
  delivered_on date not null,
  amount numeric(10, 2) not null,
  primary key (tenant, id),
  foreign key (tenant, branch_id) references app.branches,
  foreign key (tenant, supplier_id) references app.suppliers
);

create table app.orders (
  tenant text not null,
  id bigint not null,
  branch_id bigint not null,
  table_id bigint,
  waiter_id bigint,
  channel text not null check (channel in ('dine-in', 'takeaway', 'delivery')),
  status text not null check (status in ('completed', 'cancelled', 'refunded')),
  opened_at timestamp not null,
  closed_at timestamp not null,
  business_date date not null generated always as (opened_at::date) stored,
  guests integer not null,
  discount_reason text,
  customer_email text, -- hidden
  primary key (tenant, id),
  foreign key (tenant, branch_id) references app.branches,
  foreign key (tenant, table_id) references app.dining_tables,
  foreign key (tenant, waiter_id) references app.staff
);

create table app.order_items (
  tenant text not null,
  id bigint not null,
  order_id bigint not null,
  menu_item_id bigint not null,
  quantity integer not null,
  unit_price numeric(8, 2) not null,
  discount_amount numeric(8, 2) not null,
  unit_cost numeric(8, 2) not null,
  primary key (tenant, id),
  foreign key (tenant, order_id) references app.orders,
  foreign key (tenant, menu_item_id) references app.menu_items
);

create table app.payments (
  tenant text not null,
  id bigint not null,
  order_id bigint not null,
  method text not null check (method in ('card', 'cash', 'online', 'meal voucher')),
  status text not null check (status in ('paid', 'refunded')),
  amount numeric(10, 2) not null,
  tip_amount numeric(8, 2) not null,
  paid_at timestamp not null,
  card_token text, -- hidden
  primary key (tenant, id),
  foreign key (tenant, order_id) references app.orders
);

create table app.reservations (
  tenant text not null,
  id bigint not null,
  branch_id bigint not null,
  created_at timestamp not null,
  reserved_for timestamp not null,
  reserved_on date not null generated always as (reserved_for::date) stored,
  party_size integer not null,
  status text not null check (status in ('seated', 'no-show', 'cancelled')),
  booked_via text not null check (booked_via in ('phone', 'website', 'app')),
  guest_name text not null, -- hidden
  guest_phone text not null, -- hidden
  primary key (tenant, id),
  foreign key (tenant, branch_id) references app.branches
);

create index on app.orders (tenant, business_date);
create index on app.orders (tenant, branch_id, business_date);
create index on app.order_items (tenant, order_id);
create index on app.order_items (tenant, menu_item_id);
create index on app.payments (tenant, order_id);
create index on app.purchases (tenant, delivered_on);
create index on app.reservations (tenant, reserved_on);

comment on table app.branches is 'The restaurants of the group.';
comment on table app.sectors is 'Areas of a branch where guests sit: main room, terrace, bar, garden.';
comment on table app.dining_tables is 'Tables in a sector.';
comment on table app.staff is 'People who work or worked in a branch; left_on is null for those who still do.';
comment on table app.menu_categories is 'Parts of the menu.';
comment on table app.menu_items is 'Dishes and drinks with the price of today.';
comment on table app.allergens is 'The fourteen allergens of EU regulation 1169/2011.';
comment on table app.menu_item_allergens is 'Which dish contains which allergen.';
comment on table app.suppliers is 'Companies that deliver goods.';
comment on table app.purchases is 'Deliveries received from suppliers, one row each; late when delivered_on is after promised_on.';
comment on table app.orders is 'One bill each; sales count only status completed.';
comment on table app.order_items is 'Lines of an order; discount_amount is for the whole line.';
comment on table app.payments is 'Payments of an order (a bill may be split); cancelled orders have none.';
comment on table app.reservations is 'Bookings of a table, by the day they are for.';
comment on column app.branches.opened_on is 'First day of business.';
comment on column app.staff.role is 'manager, chef, cook, waiter, bartender, host or dishwasher.';
comment on column app.menu_items.price is 'Price today in euros, VAT included.';
comment on column app.suppliers.payment_days is 'Days after delivery within which the invoice is paid.';
comment on column app.purchases.amount is 'Value of the delivery in euros.';
comment on column app.orders.waiter_id is 'Who served; null for takeaway and delivery.';
comment on column app.orders.table_id is 'Table; null for takeaway and delivery.';
comment on column app.orders.business_date is 'Day the order counts for: the date of opened_at.';
comment on column app.orders.guests is 'People at the table; 0 for takeaway and delivery.';
comment on column app.orders.discount_reason is 'loyalty, happy hour, staff or complaint; null without a discount.';
comment on column app.order_items.unit_price is 'Price of one at the time of the order, before discount.';
comment on column app.order_items.discount_amount is 'Discount on the whole line in euros.';
comment on column app.order_items.unit_cost is 'Cost of the ingredients of one.';
comment on column app.payments.amount is 'Paid amount in euros, tip excluded.';
comment on column app.payments.tip_amount is 'Tip in euros, on top of amount.';
comment on column app.reservations.reserved_on is 'Day the booking is for.';
