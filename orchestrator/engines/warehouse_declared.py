"""What servers are asked about declared keys: statements whose rows become a `Structure`."""

from __future__ import annotations

from typing import Final

#: From pg_catalog: information_schema shows a reader none of the constraints of tables that others own.
POSTGRES_REFERENCES: Final = """
    select c.relname, a.attname, f.relname, b.attname
      from pg_constraint k
      join pg_class c on c.oid = k.conrelid
      join pg_class f on f.oid = k.confrelid
      join pg_attribute a on a.attrelid = c.oid and a.attnum = k.conkey[1]
      join pg_attribute b on b.attrelid = f.oid and b.attnum = k.confkey[1]
     where k.contype = 'f' and cardinality(k.conkey) = 1
       and not c.relispartition and pg_table_is_visible(c.oid) and pg_table_is_visible(f.oid)
     order by c.relname, a.attnum"""
POSTGRES_KEYS: Final = """
    select c.relname, a.attname
      from pg_index i
      join pg_class c on c.oid = i.indrelid
      join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
     where i.indisunique and i.indisvalid and i.indpred is null and i.indnkeyatts = 1 and a.attnum > 0 and a.attnotnull
       and c.relkind in ('r', 'p') and not c.relispartition and c.relnamespace <> 'pg_catalog'::regnamespace
       and pg_table_is_visible(c.oid)"""
POSTGRES_VIEWS: Final = """
    select relname from pg_class
     where relkind in ('v', 'm') and relnamespace <> 'pg_catalog'::regnamespace and pg_table_is_visible(oid)"""
MYSQL_REFERENCES: Final = """
    select k.table_name, k.column_name, k.referenced_table_name, k.referenced_column_name
      from information_schema.key_column_usage k
     where k.table_schema = database() and k.referenced_table_schema = database()
       and (select count(*) from information_schema.key_column_usage o
             where o.constraint_schema = k.constraint_schema and o.constraint_name = k.constraint_name
               and o.table_name = k.table_name) = 1
     order by k.table_name, k.column_name"""
MYSQL_KEYS: Final = """
    select s.table_name, min(s.column_name)
      from information_schema.statistics s
     where s.table_schema = database() and s.non_unique = 0
     group by s.table_name, s.index_name
    having count(*) = 1 and max(s.nullable) <> 'YES'"""
MYSQL_VIEWS: Final = "select table_name from information_schema.views where table_schema = database()"
