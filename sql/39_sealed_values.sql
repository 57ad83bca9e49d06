-- What is sealed of endpoints (services/outgoing/vault.py), to be sealed anew when the key changes.

-- A page of it after a place, in the order of places: [{place, value}].
create or replace function public.sealed_values(after text, most integer) returns jsonb
language sql stable security invoker set search_path = '' as $$
    select coalesce(jsonb_agg(jsonb_build_object('place', p.place, 'value', p.value) order by p.place collate "C"), '[]')
    from (
        select v.place, v.value
        from (
            select 'secret ' || s.id as place, s.secret as value from private.endpoint_secrets s
            union all
            select 'header ' || h.endpoint_id || ' ' || h.name, h.value from private.endpoint_headers h
        ) v
        where v.place collate "C" > sealed_values.after
        order by v.place collate "C" limit least(sealed_values.most, 1000)
    ) p
$$;
revoke execute on function public.sealed_values(text, integer) from public, anon, authenticated;
grant execute on function public.sealed_values(text, integer) to service_role;

-- Put each {place, was, value} where its place still says what it was; return how many did.
create or replace function public.reseal_values(batch jsonb) returns bigint
language sql volatile security invoker set search_path = '' as $$
    with asked as (
        select a.place, a.was, a.value from jsonb_to_recordset(batch) as a (place text, was text, value text)
    ), secrets as (
        update private.endpoint_secrets s set secret = a.value
        from asked a where a.place = 'secret ' || s.id and s.secret = a.was
        returning 1
    ), headers as (
        update private.endpoint_headers h set value = a.value
        from asked a where a.place = 'header ' || h.endpoint_id || ' ' || h.name and h.value = a.was
        returning 1
    )
    select (select count(*) from secrets) + (select count(*) from headers)
$$;
revoke execute on function public.reseal_values(jsonb) from public, anon, authenticated;
grant execute on function public.reseal_values(jsonb) to service_role;
