# A database with known sums, changed, indexed, rolled back, and checked by itself.
query() {
    got=$(sqlite3 -bail base "$1")
    [ "$got" = "$2" ] || { echo "$1: got $got, not $2"; exit 1; }
}
sqlite3 -bail base "
pragma journal_mode = wal;
create table t (id integer primary key, square integer, name text, real real);
begin;
with recursive n(i) as (select 1 union all select i + 1 from n where i < 20000)
    insert into t select i, i * i, printf('%08x', (i * 7919) % 20011), i / 8.0 from n;
commit;
create index by_name on t (name);
create index by_real on t (real, square);
begin; delete from t where id % 3 = 0; rollback;
begin; update t set square = -square where id % 2 = 0; commit;
"
# n(n+1)(2n+1)/6, with the signs of an alternating sum: -n(n+1)/2 for an even n.
query 'select sum(abs(square)) from t' 2666866670000
query 'select sum(square) from t' -200010000
query 'select sum(real) * 8 from t' 200010000.0
query "select count(distinct name) from t" 20000
query "select id from t where name = (select printf('%08x', (12345 * 7919) % 20011))" 12345
query 'select count(*) from (select real, lag(real) over (order by name) l from t) where l is not null' 19999
query "select json_extract(json_group_array(id), '\$[19]') from (select id from t order by real desc)" 19981
query 'delete from t where id > 100; vacuum; select count(*), max(id) from t' '100|100'
query 'pragma integrity_check' ok
