-- Take from PUBLIC what a reader must not call: functions that run SQL text, change settings, sleep, lock, signal, write or read files.
-- Needs a superuser; a read-only transaction alone stops none of these.
do $$ declare f regprocedure; begin
  for f in
    select p.oid::regprocedure
      from pg_proc p join pg_namespace n on n.oid = p.pronamespace
     where n.nspname = 'pg_catalog'
       and (p.proname in (
              'set_config', 'query_to_xml', 'query_to_xmlschema', 'query_to_xml_and_xmlschema', 'table_to_xml', 'table_to_xmlschema',
              'table_to_xml_and_xmlschema', 'cursor_to_xml', 'cursor_to_xmlschema', 'schema_to_xml', 'schema_to_xmlschema',
              'schema_to_xml_and_xmlschema', 'database_to_xml', 'database_to_xmlschema', 'database_to_xml_and_xmlschema', 'ts_stat',
              'ts_rewrite', 'pg_sleep', 'pg_sleep_for', 'pg_sleep_until', 'pg_notify', 'pg_logical_emit_message',
              'pg_terminate_backend', 'pg_cancel_backend', 'pg_current_xact_id', 'txid_current', 'pg_export_snapshot', 'repeat', 'lpad',
              'rpad', 'loread', 'lowrite')
            or p.proname ~ '^(lo_|pg_advisory|pg_try_advisory|be_lo|setseed|pg_ls_|pg_read_|pg_get_viewdef|pg_get_functiondef)')
  loop execute format('revoke execute on function %s from public', f); end loop;
end $$;
