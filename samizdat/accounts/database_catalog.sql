-- What is in a database of PostgreSQL (accounts/database_catalog.py): kind, name, the table it belongs to, its text, and whether
-- it is the host's where we have nothing of that name. What PostgreSQL brings along has numbers below 16384.
WITH
ours AS (SELECT oid, rolname, rolsuper FROM pg_roles WHERE rolname = current_user),
here AS (SELECT oid, datdba FROM pg_database WHERE datname = current_database()),
public_roles AS (SELECT oid FROM pg_roles WHERE rolname LIKE %(roles)s OR rolname = %(publicdb)s),
places AS (SELECT oid, nspname::text FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'),
extended AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
relations AS (
    SELECT pg_class.oid, nspname || '.' || relname AS name, nspname, relname::text, relkind, relowner, relacl,
    relpersistence::text || CASE WHEN relrowsecurity OR relforcerowsecurity THEN ' row security' ELSE '' END AS text
    FROM pg_class JOIN places ON places.oid = relnamespace WHERE relpersistence <> 't'
),

alone (class, oid, kind, name, owner, text) AS (
    SELECT 'pg_namespace'::regclass, oid, 'schema', nspname::text, nspowner, ''
    FROM pg_namespace WHERE nspname !~ '^pg_'
    UNION ALL SELECT 'pg_class'::regclass, oid, CASE relkind WHEN 'r' THEN 'table' WHEN 'v' THEN 'view'
    WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' ELSE 'partitioned table' END, name, relowner, text
    FROM relations WHERE relkind IN ('r', 'v', 'm', 'f', 'p')
    UNION ALL SELECT 'pg_proc'::regclass, pg_proc.oid, 'function',
    nspname || '.' || proname || '(' || pg_get_function_identity_arguments(pg_proc.oid) || ')', proowner,
    concat_ws(' ', lanname, prosecdef, proconfig, encode(sha256(convert_to(coalesce(prosrc, ''), 'UTF8')), 'hex'))
    FROM pg_proc JOIN places ON places.oid = pronamespace JOIN pg_language ON pg_language.oid = prolang
    UNION ALL SELECT 'pg_operator'::regclass, oid, 'operator', oprname::text, oprowner, '' FROM pg_operator
    UNION ALL SELECT 'pg_type'::regclass, pg_type.oid, 'type', nspname || '.' || typname, typowner,
    coalesce((SELECT string_agg(enumlabel, ', ' ORDER BY enumsortorder) FROM pg_enum WHERE enumtypid = pg_type.oid), '')
    FROM pg_type JOIN places ON places.oid = typnamespace WHERE typcategory <> 'A'
    AND (typrelid = 0 OR EXISTS (SELECT 1 FROM pg_class WHERE pg_class.oid = typrelid AND relkind = 'c'))
    UNION ALL SELECT 'pg_cast'::regclass, oid, 'cast', castsource::regtype::text || ' to ' || casttarget::regtype, 10, ''
    FROM pg_cast
),

bound (kind, name, oid, text) AS (
    SELECT 'column', attname::text, attrelid, format_type(atttypid, atttypmod)
    || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END
    || CASE WHEN attcollation <> typcollation THEN ' COLLATE ' || attcollation::regcollation::text ELSE '' END
    || coalesce(CASE attgenerated WHEN '' THEN ' DEFAULT ' ELSE ' GENERATED ' END || pg_get_expr(adbin, adrelid), '')
    || CASE attidentity WHEN '' THEN '' ELSE ' IDENTITY ' || attidentity::text END
    FROM pg_attribute JOIN pg_type ON pg_type.oid = atttypid
    LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum WHERE attnum > 0
    -- Whether a column may be empty is said of the column; from PostgreSQL 18 on these are constraints as well.
    UNION ALL SELECT 'constraint', conname::text, conrelid, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE contype NOT IN ('n', 't')
    UNION ALL SELECT 'index', relname::text, indrelid, pg_get_indexdef(indexrelid)
    FROM pg_index JOIN relations ON relations.oid = indexrelid
    -- Those of foreign keys are seen where somebody turned them off.
    UNION ALL SELECT 'trigger', tgname::text, tgrelid, tgenabled::text || ' ' || pg_get_triggerdef(oid)
    FROM pg_trigger WHERE NOT tgisinternal OR tgenabled <> 'O'
    UNION ALL SELECT 'policy', polname::text, polrelid, '' FROM pg_policy
    UNION ALL SELECT 'rule', rulename::text, ev_class, '' FROM pg_rewrite WHERE rulename <> '_RETURN'
    UNION ALL SELECT 'part of a table', inhrelid::regclass::text, inhparent, '' FROM pg_inherits
    UNION ALL SELECT 'statistics', stxname::text, stxrelid, '' FROM pg_statistic_ext
    -- What is read in the order of its numbers would be read in another one.
    UNION ALL SELECT 'sequence', relname::text, refobjid, concat_ws(' ', format_type(seqtypid, NULL), 'START', seqstart,
    'INCREMENT', seqincrement, 'MIN', seqmin, 'MAX', seqmax, 'CACHE', seqcache, CASE WHEN seqcycle THEN 'CYCLE' END,
    'OF', attname, text)
    FROM pg_sequence JOIN relations ON relations.oid = seqrelid
    JOIN pg_depend ON classid = 'pg_class'::regclass AND objid = seqrelid AND refclassid = 'pg_class'::regclass
    AND deptype IN ('a', 'i') JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
),

-- What copies rows, or writes them from elsewhere. What copies the whole server is the host's.
reaching_out (kind, name) AS (
    SELECT 'event trigger', evtname::text FROM pg_event_trigger
    WHERE (('pg_event_trigger'::regclass)::oid, oid) NOT IN (SELECT classid, objid FROM extended)
    UNION SELECT 'extension', extname::text FROM pg_extension WHERE extname <> ALL(%(hosts)s)
    UNION SELECT 'publication', pubname::text FROM pg_publication WHERE puballtables
    UNION SELECT 'publication', pubname::text FROM pg_publication_tables WHERE schemaname IN ('public', 'publicdb')
    UNION SELECT 'subscription', subname::text FROM pg_subscription JOIN here ON here.oid = subdbid
    UNION SELECT 'replication slot', slot_name::text FROM pg_replication_slots
    WHERE database = current_database() AND NOT temporary
    UNION SELECT 'foreign data wrapper', fdwname::text FROM pg_foreign_data_wrapper
    UNION SELECT 'foreign server', srvname::text FROM pg_foreign_server
),

settings (name) AS (
    SELECT split_part(setting, '=', 1) || coalesce(' of role ' || rolname, '')
    || CASE setdatabase WHEN 0 THEN '' ELSE ' in this database' END
    FROM pg_db_role_setting CROSS JOIN unnest(setconfig) AS setting LEFT JOIN pg_roles ON pg_roles.oid = setrole
    WHERE setdatabase IN (SELECT 0 UNION SELECT oid FROM here) AND NOT setting ILIKE ANY(%(harmless)s)
    AND (setrole IN (SELECT 0 UNION SELECT oid FROM ours)
    -- Of another installation on this server it would be no business of ours.
    OR setrole IN (SELECT oid FROM public_roles) AND has_schema_privilege(setrole, 'publicdb', 'USAGE')
    AND NOT starts_with(setting, 'statement_timeout='))
),

granted (oid, role, may) AS (
    SELECT oid, relowner, 'OWNER' FROM relations
    UNION ALL SELECT oid, grantee, privilege_type FROM relations CROSS JOIN aclexplode(relacl)
    UNION ALL SELECT attrelid, grantee, privilege_type FROM pg_attribute CROSS JOIN aclexplode(attacl)
),
-- Ours, who owns the database, and superusers who own a table may do anything. The role of the public process may do
-- what it is given (publicdb/actions.py).
grants (name) AS (
    SELECT coalesce(rolname, 'PUBLIC') || ' with ' || min(may || ' on ' || name)
    FROM granted JOIN relations USING (oid) LEFT JOIN pg_roles ON pg_roles.oid = role
    WHERE (name = ANY(%(tables)s) OR relkind = 'S' AND nspname IN ('public', 'publicdb'))
    AND role NOT IN (SELECT oid FROM ours UNION SELECT datdba FROM here)
    AND NOT (role = relowner AND rolsuper)
    AND NOT (role IN (SELECT oid FROM public_roles) AND nspname = 'publicdb'
    AND (may = 'SELECT' AND relname = ANY(%(readable)s) OR may = 'INSERT' AND relname = 'publicdb_intake'))
    GROUP BY rolname
),
-- Whoever made our role belongs to it from PostgreSQL 16 on, with the right to give it and no other; before, an admin of
-- the host has to, to give it a database. Who read all tables before our role was made is no business of ours.
members (name) AS (
    SELECT member.rolname || ' as a member of ' || whole.rolname FROM pg_auth_members AS one CROSS JOIN ours
    JOIN pg_roles AS member ON member.oid = one.member JOIN pg_roles AS whole ON whole.oid = one.roleid
    WHERE NOT member.rolsuper AND member.oid <> ours.oid
    AND NOT to_jsonb(one) @> '{"inherit_option": false, "set_option": false}'
    AND (whole.oid IN (SELECT ours.oid UNION SELECT datdba FROM here)
    AND NOT (member.rolcreaterole AND member.oid < ours.oid)
    OR member.oid > ours.oid AND member.oid >= 16384 AND whole.rolname IN ('pg_read_all_data', 'pg_write_all_data',
    'pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files'))
),
later (name) AS (
    SELECT 'of ' || coalesce(rolname, 'PUBLIC') FROM pg_default_acl CROSS JOIN aclexplode(defaclacl)
    LEFT JOIN pg_roles ON pg_roles.oid = grantee WHERE defaclobjtype IN ('r', 'S') AND grantee <> defaclrole
    AND defaclrole IN (SELECT oid FROM ours UNION SELECT datdba FROM here) AND rolsuper IS NOT TRUE
)

-- Who owns an extension can put things of their own into it to hide them, but not give them to a superuser.
SELECT kind, name, '', text, EXISTS (SELECT 1 FROM pg_roles CROSS JOIN ours WHERE pg_roles.oid = owner
    AND pg_roles.rolsuper AND (owner <> ours.oid AND class <> 'pg_cast'::regclass
    OR (class::oid, alone.oid) IN (SELECT classid, objid FROM extended)))
FROM alone WHERE oid >= 16384
UNION ALL SELECT bound.kind, bound.name || ' on ' || relations.name, relations.name, bound.text, false
FROM bound JOIN relations USING (oid) WHERE relkind = 'r'
UNION ALL SELECT kind, name, '', '', false FROM reaching_out
UNION ALL SELECT 'setting', name, '', '', false FROM settings
UNION ALL SELECT 'role', name, '', '', false FROM grants UNION ALL SELECT 'role', name, '', '', false FROM members
UNION ALL SELECT 'default rights', name, '', '', false FROM later
