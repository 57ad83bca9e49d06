-- A booking names the request whose link made it: then that request is used.
alter table public.bookings
    add column if not exists request_key text;
comment on column public.bookings.request_key is 'The booking_key of the request (request:<uuid>) whose link made this booking.';
create index if not exists bookings_request_key_idx on public.bookings (request_key) where request_key is not null;

-- Whoever books could write another request into the address: only one for the same phone is used up by it.
create or replace function private.use_booking_request() returns trigger
language plpgsql set search_path = '' as $$
begin
    update public.bookings b set status = 'used'
    where b.booking_key = new.request_key and b.status = 'requested' and b.phone_id = new.phone_id;
    return null;
end
$$;
revoke execute on function private.use_booking_request() from public, anon, authenticated;
create or replace trigger bookings_use_request after insert or update on public.bookings
for each row when (new.request_key is not null) execute function private.use_booking_request();
