{{ config(materialized='table') }}
select
    id,
    date_trunc('month', joined_at) as month, joined_at::date as day, joined_at::date - born as days, joined_at + interval '1 month' as later,
    extract(year from born) as year, extract(dow from born) as weekday, extract(isodow from born) as iso_weekday, extract(week from born) as week,
    extract(doy from born) as day_of_year, extract(quarter from born) as quarter, date_part('hour', joined_at) as hour, extract(hour from joined_at) / 24 as of_day, date_part('minute', joined_at) / 60 as of_hour, extract(second from joined_at) as second, extract(epoch from joined_at) as epoch,
    to_char(joined_at, 'YYYY-MM-DD HH24:MI') as shown, to_char(born, 'Mon DD, YYYY') as named, to_char(born, 'Day') as day_name, to_char(joined_at, 'IYYY-IW') as iso_week,
    to_date('20240131', 'YYYYMMDD') + id as counted, to_timestamp(1700000000 + id) at time zone 'UTC' as moment,
    make_date(2024, id, 15) as made, date '2024-01-31' + interval '1 month' as short_month, born + 1 as next_day, age(joined_at, born::timestamp)::text as age,
    extract(year from age(joined_at, born::timestamp)) as years, joined_at at time zone 'UTC' at time zone 'America/New_York' as in_new_york,
    born between date '1985-01-01' and date '1995-01-01' as between_dates, joined_at < timestamp '2024-01-02 12:00:00' as early,
    (joined_at::date - interval '1 day')::date as day_before, date_trunc('week', born)::date as monday, joined_at::time::text as clock,
    greatest(born, date '1988-01-01') as latest, coalesce(born, date '1900-01-01') as born, coalesce(joined_at, born) as either
from {{ ref('people') }}
