"""Statements that a guard must refuse, and statements that it must not, by dialect."""
# ruff: noqa: E501 - one statement a line

from __future__ import annotations

from typing import Final

from orchestrator.engines.warehouse import Catalogue, Column

CATALOGUE: Final[Catalogue] = {
    "orders": (
        Column(name="id", type="integer"),
        Column(name="branch_id", type="integer"),
        Column(name="customer", type="text"),
        Column(name="note", type="text"),
        Column(name="amount", type="number"),
        Column(name="status", type="text"),
        Column(name="opened_at", type="datetime"),
        Column(name="business_date", type="date"),
    ),
    "branches": (
        Column(name="id", type="integer"),
        Column(name="name", type="text"),
        Column(name="city", type="text"),
    ),
    "items": (
        Column(name="order_id", type="integer"),
        Column(name="quantity", type="integer"),
        Column(name="unit_price", type="number"),
    ),
}

POSTGRES_ATTACKS: Final = tuple(
    line
    for line in r"""
SELECT 1; DROP TABLE orders
SELECT 1; SELECT 2
COMMIT; BEGIN READ WRITE; CREATE TEMP TABLE z(a int)
SET TRANSACTION READ WRITE; SELECT 1
SET statement_timeout=0
RESET ROLE
SET ROLE postgres
BEGIN
ROLLBACK
LISTEN x
NOTIFY x, 'y'
PREPARE p AS SELECT 1
EXECUTE p
DISCARD ALL
VACUUM orders
ANALYZE orders
SHOW all
/* a /* b */ 1; DROP TABLE orders */ SELECT 1; DROP TABLE orders
SELECT 1 /* ; */ ; DELETE FROM orders
WITH d AS (DELETE FROM orders RETURNING *) SELECT * FROM d
WITH d AS (UPDATE orders SET amount = 0 RETURNING id) SELECT id FROM d
WITH d AS (INSERT INTO orders (id) VALUES (1) RETURNING id) SELECT id FROM d
EXPLAIN ANALYZE DELETE FROM orders
SELECT id::char(10485760) FROM orders
SELECT count(DISTINCT CAST(id AS char(4001))) FROM orders
SELECT note::varchar(10485760) FROM orders
EXPLAIN SELECT * FROM orders
SELECT * INTO newt FROM orders
SELECT id INTO TEMP newt FROM orders
CREATE TABLE z AS SELECT * FROM orders
MERGE INTO orders o USING branches b ON o.id = b.id WHEN MATCHED THEN DELETE
DO $$ BEGIN PERFORM 1; END $$
CALL app.danger()
COPY (SELECT 1) TO PROGRAM 'id'
COPY orders TO '/tmp/x'
SELECT * FROM orders FOR UPDATE
SELECT * FROM orders FOR SHARE
SELECT id FROM orders FOR NO KEY UPDATE SKIP LOCKED
TRUNCATE orders
GRANT SELECT ON orders TO public
ALTER TABLE orders ADD COLUMN x int
DELETE FROM orders
UPDATE orders SET amount = 1
INSERT INTO orders (id) VALUES (1)
WITH orders AS (SELECT * FROM orders) SELECT * FROM orders
WITH orders AS (SELECT * FROM api_keys) SELECT * FROM orders
WITH a AS (SELECT * FROM orders), orders AS (SELECT * FROM secrets) SELECT * FROM a, orders
WITH "orders" AS (SELECT 1 AS id) SELECT id FROM orders
WITH ORDERS AS (SELECT 1 AS id) SELECT id FROM orders
WITH a AS (SELECT * FROM b), b AS (SELECT 1 AS x) SELECT * FROM a
WITH a AS (SELECT 1 AS x), a AS (SELECT 2 AS x) SELECT x FROM a
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t
WITH x AS MATERIALIZED (SELECT set_config('app.tenant', '2', true)) SELECT * FROM x, orders
WITH x AS MATERIALIZED (SELECT 1 AS a) SELECT a FROM x
SELECT * FROM other_schema.orders
SELECT * FROM public.orders
SELECT * FROM postgres.public.orders
SELECT orders.id FROM app.orders
TABLE api_keys
SELECT * FROM "Orders"
SELECT * FROM ＯＲＤＥＲＳ
SELECT * FROM U&"\0061pi_keys"
SELECT U&"\0063ard_no" FROM orders
SELECT * FROM orders NATURAL JOIN api_keys
SELECT * FROM orders NATURAL JOIN branches
SELECT * FROM api_keys
SELECT * FROM pg_stat_activity
SELECT * FROM pg_catalog.pg_roles
SELECT * FROM information_schema.columns
SELECT usename FROM pg_user
SELECT id FROM orders LIMIT (SELECT count(*) FROM api_keys)
SELECT id FROM orders LIMIT 1 OFFSET (SELECT 1)
SELECT id FROM orders LIMIT ALL
SELECT id FROM orders LIMIT -1
SELECT id FROM orders LIMIT 1e9
SELECT id FROM orders LIMIT NULL
SELECT id FROM orders FETCH FIRST 5 ROWS WITH TIES
SELECT id FROM orders TABLESAMPLE SYSTEM ((SELECT 1))
SELECT id FROM orders TABLESAMPLE BERNOULLI (10)
SELECT count(*) FILTER (WHERE EXISTS (SELECT 1 FROM api_keys)) FROM orders
SELECT sum(amount) OVER (ORDER BY (SELECT secret FROM api_keys LIMIT 1)) FROM orders
SELECT sum(amount) OVER w FROM orders WINDOW w AS (ORDER BY (SELECT 1 FROM api_keys))
SELECT DISTINCT ON ((SELECT secret FROM api_keys)) id FROM orders
SELECT DISTINCT ON (id) id FROM orders
SELECT ARRAY(SELECT secret FROM api_keys)
SELECT ARRAY[1, 2]
SELECT * FROM orders o, LATERAL (SELECT * FROM api_keys k WHERE k.id = o.id) x
SELECT * FROM orders CROSS JOIN LATERAL (SELECT o.id) y
SELECT id FROM orders GROUP BY GROUPING SETS ((id), ())
SELECT id FROM orders GROUP BY ROLLUP (id)
SELECT id FROM orders GROUP BY CUBE (id, amount)
SELECT id FROM orders ORDER BY (SELECT secret FROM api_keys LIMIT 1)
SELECT id FROM orders ORDER BY amount USING >
SELECT * FROM xmltable('/a' PASSING (SELECT secret FROM api_keys) COLUMNS x text)
SELECT id FROM orders WHERE amount > ALL (TABLE api_keys)
SELECT id FROM orders WHERE amount > ANY (SELECT 1 FROM api_keys)
SELECT id FROM orders WHERE (SELECT count(*) FROM api_keys) > 1
SELECT CASE WHEN EXISTS (SELECT 1 FROM api_keys) THEN 1 END
SELECT o FROM orders o
SELECT o::text FROM orders o
SELECT (o).card_no FROM orders o
SELECT (o).customer FROM orders o
SELECT card_no(o) FROM orders o
SELECT o.to_jsonb FROM orders o
SELECT ROW(o.*) FROM orders o
SELECT row_to_json(o) FROM orders o
SELECT to_jsonb(o.*) FROM orders o
SELECT json_agg(o) FROM orders o
SELECT count(o) FROM orders o
SELECT count(o.*) FROM orders o
SELECT md5(orders::text) FROM orders
SELECT orders FROM orders
SELECT max(orders) FROM orders
SELECT (SELECT o) FROM orders o
SELECT * FROM orders o WHERE o IS NOT NULL
SELECT note FROM orders GROUP BY note HAVING max(card_no) > '5'
SELECT count(*) FROM orders HAVING max(card_no) > '5'
SELECT id FROM orders ORDER BY card_no
SELECT card_no FROM orders
SELECT orders.card_no FROM orders
SELECT "card_no" FROM orders
SELECT id FROM orders GROUP BY id, card_no
SELECT id FROM orders WHERE card_no LIKE '4%'
SELECT b.id FROM branches b JOIN orders o ON o.card_no = b.name
SELECT id FROM orders JOIN branches USING (card_no)
SELECT sum(amount) FILTER (WHERE card_no = '1') FROM orders
SELECT rank() OVER (ORDER BY card_no) FROM orders
SELECT xmin FROM orders
SELECT ctid FROM orders
SELECT tableoid FROM orders
SELECT orders.tableoid FROM orders
SELECT x.card_no FROM (SELECT id FROM orders) x
SELECT x.card_no FROM (SELECT * FROM orders) x
SELECT set_config('app.tenant', '2', true)
SELECT current_setting('data_directory')
SELECT query_to_xml('select * from api_keys', true, false, '')
SELECT "pg_catalog"."query_to_xml"('select 1', true, false, '')
SELECT pg_catalog.lower('x')
SELECT * FROM ts_stat('select 1')
SELECT ts_rewrite('a'::tsquery, 'select 1')
SELECT database_to_xml(true, false, '')
SELECT * FROM dblink('dbname=x', 'select 1') AS t(a int)
SELECT pg_read_file('/etc/passwd')
SELECT pg_ls_dir('/')
SELECT lo_import('/etc/passwd')
SELECT lo_from_bytea(0, 'x')
SELECT pg_sleep(10)
SELECT * FROM pg_sleep(10)
SELECT pg_notify('x', 'y')
SELECT pg_advisory_lock(1)
SELECT pg_terminate_backend(1)
SELECT pg_cancel_backend(1)
SELECT pg_logical_emit_message(true, 'a', 'b')
SELECT pg_current_xact_id()
SELECT nextval('s')
SELECT 1 OPERATOR(pg_catalog.+) 2
SELECT repeat('a', 1000000000)
SELECT lpad('a', 1000000000)
SELECT generate_series(1, 1000000000)
SELECT * FROM generate_series(1, 1000000000)
SELECT count(*) FROM orders a, orders b, orders c, orders d, orders e, orders f, orders g, orders h, orders i
SELECT count(*) FROM orders a CROSS JOIN orders b CROSS JOIN orders c CROSS JOIN orders d
SELECT id FROM orders WHERE note ~ '^(a+)+$'
SELECT id FROM orders WHERE note SIMILAR TO '(a|b)*c'
SELECT regexp_replace(note, '(a+)+', 'b') FROM orders
SELECT id FROM orders WHERE note LIKE customer
SELECT id FROM orders WHERE note LIKE '%a%b%c%d%e%f%'
SELECT 'api_keys'::regclass::oid
SELECT 'api_keys'::regclass
SELECT '1'::xid
SELECT '{}'::jsonb
SELECT '{}'::json ->> 'a'
SELECT version()
SELECT current_user
SELECT session_user
SELECT current_database()
SELECT current_schema
SELECT inet_server_addr()
SELECT pg_backend_pid()
SELECT random()
SELECT gen_random_uuid()
SELECT B'101'
SELECT X'1F'
SELECT E'\\x41'
SELECT 1 << 40
SELECT 5 & 3
SELECT 2 ^ 1000000
SELECT $1
SELECT :name
SELECT %(x)s
SELECT @1
VALUES (1)
SELECT * FROM (VALUES (1)) v(a)
SELECT a FROM (SELECT 1) AS x(a)
SELECT * FROM ONLY orders
SELECT * FROM orders AS o(a, b)
SELECT * FROM orders WITH ORDINALITY
SELECT id AS "<img src=x onerror=alert(1)>" FROM orders
SELECT id AS "x"";DROP TABLE orders" FROM orders
SELECT id FROM orders WHERE CURRENT OF c
SELECT id FROM (SELECT id FROM orders)
SELECT o.id FROM orders o JOIN branches o ON true
SELECT id FROM orders JOIN branches ON true
SELECT nothing
SELECT *
SELECT FROM orders
SELECT $a$text$a$ FROM orders
SELECT note || note || note || note || note || note || note || note || note || note FROM orders
SELECT interval '1 fortnight'
SELECT id FROM orders UNION SELECT id FROM api_keys
SELECT id FROM orders EXCEPT SELECT secret FROM api_keys
SELECT id FROM orders UNION SELECT id FROM branches ORDER BY card_no
(SELECT id FROM orders) UNION (SELECT card_no FROM orders)
SELECT string_agg(customer, ',') FROM orders
SELECT array_agg(id) FROM orders
SELECT xmlelement(name a)
SELECT cast(note AS app.mytype) FROM orders
SELECT id FROM orders WHERE note COLLATE "C" = 'x'
SELECT not a statement at all
DROP
;

""".splitlines()
    if line.strip()
)

SQLITE_ATTACKS: Final = tuple(
    line
    for line in r"""
ATTACH DATABASE '/tmp/x' AS y
DETACH y
PRAGMA table_info(orders)
PRAGMA writable_schema = 1
SELECT * FROM pragma_table_info('orders')
SELECT * FROM sqlite_master
SELECT * FROM sqlite_schema
SELECT * FROM sqlite_temp_master
SELECT * FROM sqlite_dbpage
SELECT * FROM dbstat
SELECT load_extension('/tmp/x.so')
SELECT readfile('/etc/passwd')
SELECT writefile('/tmp/x', 'y')
SELECT edit('x')
SELECT fts3_tokenizer('simple')
VACUUM INTO '/tmp/x'
VACUUM
SELECT zeroblob(1000000000)
SELECT randomblob(1000000000)
SELECT hex(zeroblob(100000000))
SELECT printf('%1000000000d', 1)
SELECT format('%1000000000d', 1)
WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t
WITH t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT n FROM t
SELECT id FROM orders WHERE id IN api_keys
SELECT id FROM orders WHERE id IN generate_series(1, 5)
SELECT id FROM orders WHERE id IN (SELECT secret FROM api_keys)
SELECT [card_no] FROM orders
SELECT `card_no` FROM orders
SELECT "card_no" FROM orders
SELECT "any text at all" FROM orders
SELECT * FROM 'api_keys'
SELECT * FROM main.orders
SELECT * FROM main.orders_base
SELECT * FROM temp.orders
SELECT * FROM orders INDEXED BY i
SELECT 1 /* /* */ ; DROP TABLE orders
DELETE FROM orders RETURNING *
UPDATE orders SET amount = 0 RETURNING *
INSERT OR REPLACE INTO orders (id) VALUES (1)
REPLACE INTO orders (id) VALUES (1)
WITH orders AS (SELECT * FROM main.orders_base) SELECT * FROM orders
WITH "ORDERS" AS (SELECT 1 AS id) SELECT id FROM orders
SELECT rowid FROM orders
SELECT oid FROM orders
SELECT _rowid_ FROM orders
SELECT orders.rowid FROM orders
SELECT id FROM orders ORDER BY card_no
SELECT count(*) FROM orders HAVING max(card_no) > '5'
SELECT sqlite_version()
SELECT sqlite_compileoption_get(1)
SELECT last_insert_rowid()
SELECT changes()
SELECT id FROM orders WHERE note GLOB '*a*b*c*d*'
SELECT id FROM orders WHERE note REGEXP '(a+)+'
SELECT id FROM orders WHERE note MATCH 'x'
SELECT json_extract(note, '$.a') FROM orders
SELECT * FROM json_each('[1]')
SELECT group_concat(customer) FROM orders
SELECT x'41'
SELECT ?1
SELECT id FROM orders LIMIT -1
SELECT 1; SELECT 2
EXPLAIN QUERY PLAN SELECT * FROM orders
CREATE TRIGGER t AFTER INSERT ON orders BEGIN SELECT 1; END
REINDEX
SAVEPOINT a
SELECT likelihood(1, 0.5)
SELECT replace(hex(zeroblob(1000)), '0', 'aaaaaaaaaa')
""".splitlines()
    if line.strip()
)

POSTGRES_BENIGN: Final = tuple(
    line
    for line in r"""
SELECT count(*) FROM orders
SELECT * FROM orders
SELECT o.* FROM orders o LIMIT 10
SELECT ORDERS.ID FROM Orders
SELECT 'x; DROP TABLE orders' AS harmless
SELECT city, count(*) AS n FROM branches GROUP BY city ORDER BY n DESC
SELECT b.name, sum(o.amount) AS total FROM orders o JOIN branches b ON b.id = o.branch_id GROUP BY b.name ORDER BY total DESC LIMIT 5
SELECT b.name, sum(o.amount) FROM orders o, branches b WHERE b.id = o.branch_id GROUP BY 1 HAVING sum(o.amount) > 100
SELECT date_trunc('month', opened_at)::date AS month, avg(amount) FROM orders GROUP BY 1 ORDER BY 1
SELECT extract(hour FROM opened_at) AS hour, count(*) FROM orders GROUP BY hour ORDER BY hour
SELECT to_char(opened_at, 'YYYY-MM') AS month, count(*) FROM orders GROUP BY 1
SELECT count(*) FILTER (WHERE status = 'cancelled') * 100.0 / nullif(count(*), 0) AS rate FROM orders
SELECT round(sum(amount)::numeric, 2) FROM orders WHERE business_date BETWEEN DATE '2026-01-01' AND DATE '2026-01-31'
SELECT sum(amount) FROM orders WHERE business_date >= current_date - interval '7 days'
SELECT sum(amount) FROM orders WHERE opened_at < now()
SELECT DISTINCT status FROM orders WHERE customer IS NOT NULL AND NOT status IN ('a', 'b')
SELECT id FROM orders WHERE customer ILIKE '%ana%' OR note LIKE 'x_%'
SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY amount) FROM orders
SELECT name, rank() OVER (PARTITION BY city ORDER BY name) AS r FROM branches
SELECT id, sum(amount) OVER (ORDER BY id ROWS BETWEEN 6 PRECEDING AND CURRENT ROW) FROM orders
WITH m AS (SELECT branch_id, sum(amount) AS total FROM orders GROUP BY branch_id) SELECT b.name, m.total FROM m JOIN branches b ON b.id = m.branch_id
WITH a AS (SELECT id FROM orders), b AS (SELECT id FROM a) SELECT count(*) FROM b
SELECT id FROM orders o WHERE EXISTS (SELECT 1 FROM items i WHERE i.order_id = o.id AND i.quantity > 3)
SELECT id FROM orders WHERE branch_id IN (SELECT id FROM branches WHERE city = 'Madrid')
SELECT 100.0 * sum(amount) / (SELECT sum(amount) FROM orders) AS share FROM orders WHERE branch_id = 1
SELECT name FROM branches UNION SELECT city FROM branches ORDER BY name LIMIT 3
SELECT count(DISTINCT o.id), sum(i.quantity * i.unit_price) FROM orders o LEFT JOIN items i ON i.order_id = o.id
SELECT CASE WHEN amount > 10 THEN 'big' ELSE 'small' END AS size, count(*) FROM orders GROUP BY 1
SELECT x.day, max(x.n) FROM (SELECT business_date AS day, count(*) AS n FROM orders GROUP BY business_date) x GROUP BY x.day
SELECT coalesce(note, '-') || ' / ' || upper(trim(customer)) FROM orders
SELECT a.id FROM orders a JOIN orders b ON a.id = b.id + 1 WHERE a.amount > b.amount
SELECT orders.id FROM orders AS branches JOIN branches AS orders ON orders.id = branches.branch_id
SELECT opened_at AT TIME ZONE 'Europe/Madrid' FROM orders
SELECT id -- a comment; DROP TABLE orders
SELECT greatest(amount, 0), abs(-1), 7 % 3, sqrt(4), length(note) FROM orders
(SELECT id FROM orders)
SELECT id FROM orders ORDER BY amount DESC NULLS LAST OFFSET 5
SELECT lag(amount) OVER (ORDER BY business_date) FROM orders
SELECT amount IS DISTINCT FROM 3 FROM orders;
SELECT name FROM orders JOIN branches USING (id)
""".replace(
        "SELECT id -- a comment; DROP TABLE orders", "SELECT id FROM orders -- a comment; DROP TABLE orders"
    ).splitlines()
    if line.strip()
)

SQLITE_BENIGN: Final = tuple(
    line
    for line in r"""
SELECT count(*) FROM orders
SELECT * FROM Orders
SELECT [id], "status", `amount` FROM orders
SELECT strftime('%Y-%m', opened_at) AS month, sum(amount) FROM orders GROUP BY month ORDER BY month
SELECT date('now', '-7 days')
SELECT sum(amount) FROM orders WHERE business_date >= date('now', 'start of month')
SELECT julianday('2026-01-02') - julianday('2026-01-01')
SELECT b.name, total(o.amount) FROM orders o JOIN branches b ON b.id = o.branch_id GROUP BY b.name
SELECT ifnull(note, ''), substr(customer, 1, 3), iif(amount > 1, 1, 0) FROM orders
SELECT branch_id, sum(amount) AS total FROM orders GROUP BY branch_id HAVING total > 10
SELECT cast(amount AS real) / 2 FROM orders LIMIT 3
WITH m AS (SELECT id FROM orders) SELECT count(*) FROM m
SELECT row_number() OVER (ORDER BY amount DESC) FROM orders
SELECT round(avg(amount), 2), min(amount), max(amount) FROM orders
SELECT id FROM orders WHERE note LIKE '%x%' ORDER BY amount
""".splitlines()
    if line.strip()
)
