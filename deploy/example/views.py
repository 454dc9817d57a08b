"""What a tenant's reader may see: the one table of visible columns, and the statements made from it."""

from collections.abc import Iterator, Mapping
from typing import Final

#: Tenants of the example, in the order they are loaded.
TENANTS: Final = ("trattoria", "rival")

#: View -> the columns of the base table of the same name that it shows. What is not named here stays hidden.
VISIBLE: Final[Mapping[str, tuple[str, ...]]] = {
    "branches": ("id", "name", "city", "country", "opened_on", "seats"),
    "sectors": ("id", "branch_id", "name"),
    "dining_tables": ("id", "branch_id", "sector_id", "label", "seats"),
    "staff": ("id", "branch_id", "name", "role", "hired_on", "left_on"),
    "menu_categories": ("id", "name"),
    "menu_items": ("id", "category_id", "name", "price", "is_vegetarian"),
    "allergens": ("id", "name"),
    "menu_item_allergens": ("menu_item_id", "allergen_id"),
    "suppliers": ("id", "name", "product_group", "city", "payment_days"),
    "purchases": ("id", "branch_id", "supplier_id", "ordered_on", "promised_on", "delivered_on", "amount"),
    "orders": (
        "id",
        "branch_id",
        "table_id",
        "waiter_id",
        "channel",
        "status",
        "opened_at",
        "closed_at",
        "business_date",
        "guests",
        "discount_reason",
    ),
    "order_items": ("id", "order_id", "menu_item_id", "quantity", "unit_price", "discount_amount", "unit_cost"),
    "payments": ("id", "order_id", "method", "status", "amount", "tip_amount", "paid_at"),
    "reservations": (
        "id",
        "branch_id",
        "created_at",
        "reserved_for",
        "reserved_on",
        "party_size",
        "status",
        "booked_via",
    ),
}


def report_schema(tenant: str) -> str:
    """Return the name of the schema that holds the tenant's views."""
    return f"rpt_{tenant}"


def reader_role(tenant: str) -> str:
    """Return the name of the login role that may select the tenant's views and nothing else."""
    return f"rpt_{tenant}_reader"


def view_statements(tenant: str) -> Iterator[str]:
    """Yield the statements that make the tenant's views anew, comments included.

    `tenant` must be one of `TENANTS`: it is put into the text as it is.
    """
    schema = report_schema(tenant)
    yield f"drop schema if exists {schema} cascade"
    yield f"create schema {schema}"
    for view, columns in VISIBLE.items():
        # security_barrier: without it the planner may run a cheap condition of the asker on the other tenant's rows
        # first, and an error message would carry their values. S608: every part is a constant of this package.
        source = f"select {', '.join(columns)} from app.{view} where tenant = '{tenant}'"  # noqa: S608
        yield f"create view {schema}.{view} with (security_barrier) as {source}"
    yield f"""
        do $$ declare c record; begin
          for c in
            select b.relname, a.attname, col_description(b.oid, a.attnum) as text
              from pg_class b
              join pg_namespace n on n.oid = b.relnamespace and n.nspname = 'app'
              join pg_class v on v.relname = b.relname and v.relnamespace = '{schema}'::regnamespace
              join pg_attribute a on a.attrelid = b.oid and a.attnum > 0
              join pg_attribute w on w.attrelid = v.oid and w.attname = a.attname
             where col_description(b.oid, a.attnum) is not null
          loop execute format('comment on column {schema}.%I.%I is %L', c.relname, c.attname, c.text); end loop;
          for c in
            select b.relname, obj_description(b.oid, 'pg_class') as text
              from pg_class b
              join pg_namespace n on n.oid = b.relnamespace and n.nspname = 'app'
              join pg_class v on v.relname = b.relname and v.relnamespace = '{schema}'::regnamespace
             where obj_description(b.oid, 'pg_class') is not null
          loop execute format('comment on view {schema}.%I is %L', c.relname, c.text); end loop;
        end $$"""  # noqa: S608
