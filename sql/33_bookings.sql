-- Appointments, as Calendly tells of them, and requests for one that a call has made.
create table if not exists public.bookings (
    id uuid primary key default gen_random_uuid()
);
alter table public.bookings
    add column if not exists booking_key text,
    add column if not exists phone_id uuid references public.phone_numbers (id) on delete set null,
    add column if not exists told_phone_id uuid,
    add column if not exists status text,
    add column if not exists event_type text,
    add column if not exists name text,
    add column if not exists invitee_name text,
    add column if not exists invitee_email text,
    add column if not exists invitee_phone text,
    add column if not exists starts_at timestamptz,
    add column if not exists ends_at timestamptz,
    add column if not exists timezone text,
    add column if not exists location text,
    add column if not exists scheduling_url text,
    add column if not exists cancel_url text,
    add column if not exists reschedule_url text,
    add column if not exists cancel_reason text,
    add column if not exists canceled_by text,
    add column if not exists rescheduled_from text,
    add column if not exists rescheduled_to text,
    add column if not exists no_show boolean,
    add column if not exists answers jsonb,
    add column if not exists version bigint not null default 1,
    add column if not exists created_at timestamptz default now(),
    add column if not exists updated_at timestamptz default now();
comment on column public.bookings.booking_key is 'The invitee''s address at Calendly; of a request, its own id: request:<uuid>.';
comment on column public.bookings.status is 'Of a request requested, used or failed; of a booking active, canceled or rescheduled.';
comment on column public.bookings.phone_id is 'The phone that the booking names, else that of the booking which it replaced.';
comment on column public.bookings.told_phone_id is 'The phone that the booking itself names; there need not be one.';
comment on column public.bookings.rescheduled_to is 'The booking_key of the booking that replaced this one.';
create unique index if not exists bookings_booking_key_key on public.bookings (booking_key);
create index if not exists bookings_phone_id_idx on public.bookings (phone_id, created_at);
create index if not exists bookings_rescheduled_from_idx on public.bookings (rescheduled_from);
create index if not exists bookings_told_phone_id_idx on public.bookings (told_phone_id);

-- What the owner of a number is to know.
create table if not exists public.notifications (
    id uuid primary key default gen_random_uuid()
);
alter table public.notifications
    add column if not exists notification_key text,
    add column if not exists phone_id uuid references public.phone_numbers (id) on delete cascade,
    add column if not exists booking_key text,
    add column if not exists kind text,
    add column if not exists title text,
    add column if not exists details jsonb,
    add column if not exists read_at timestamptz,
    add column if not exists version bigint not null default 1,
    add column if not exists created_at timestamptz default now(),
    add column if not exists updated_at timestamptz default now();
comment on column public.notifications.booking_key is 'The booking that it is about: its phone is the notification''s.';
create unique index if not exists notifications_notification_key_key on public.notifications (notification_key);
create index if not exists notifications_phone_id_idx on public.notifications (phone_id, created_at);
create index if not exists notifications_booking_key_idx on public.notifications (booking_key);

-- Tell a booking whose phone it is. Both that and the notifications' phone follow the chain of rescheduled
-- bookings, whichever of them is told first: a new row looks back along it, a changed one tells those after it.
-- The share lock makes them wait for each other where they are told at one moment.
create or replace function private.set_booking_phone() returns trigger
language plpgsql set search_path = '' as $$
begin
    if new.phone_id is not null and (tg_op = 'INSERT' or new.phone_id is distinct from old.phone_id) then
        new.told_phone_id := new.phone_id;
    end if;
    new.phone_id := (select p.id from public.phone_numbers p where p.id = new.told_phone_id);
    if new.phone_id is null and new.rescheduled_from is not null then
        select b.phone_id into new.phone_id from public.bookings b
        where b.booking_key = new.rescheduled_from and b.booking_key is distinct from new.booking_key for share;
    end if;
    return new;
end
$$;
revoke execute on function private.set_booking_phone() from public, anon, authenticated;

create or replace function private.pass_on_booking_phone() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    -- A new link counts too: the booking after it may have been made while this one was not to be seen yet.
    if tg_op = 'UPDATE' and old.phone_id is not distinct from new.phone_id
        and old.rescheduled_to is not distinct from new.rescheduled_to then
        return null;
    end if;
    -- Null lets each look for itself.
    update public.bookings b set phone_id = null
    where b.rescheduled_from = new.booking_key and b.phone_id is distinct from new.phone_id;
    update public.notifications n set phone_id = new.phone_id
    where n.booking_key = new.booking_key and n.phone_id is distinct from new.phone_id;
    return null;
end
$$;
revoke execute on function private.pass_on_booking_phone() from public, anon, authenticated;

create or replace function private.set_notification_phone() returns trigger
language plpgsql set search_path = '' as $$
begin
    select b.phone_id into new.phone_id from public.bookings b where b.booking_key = new.booking_key for share;
    return new;
end
$$;
revoke execute on function private.set_notification_phone() from public, anon, authenticated;

-- A phone that bookings name has come to exist.
create or replace function private.adopt_bookings() returns trigger
language plpgsql security definer set search_path = '' as $$
begin
    update public.bookings b set phone_id = new.id where b.told_phone_id = new.id;
    return null;
end
$$;
revoke execute on function private.adopt_bookings() from public, anon, authenticated;

create or replace trigger b_set_booking_phone before insert or update on public.bookings
for each row execute function private.set_booking_phone();
-- Not `of phone_id`: it is the trigger above that sets it.
create or replace trigger bookings_pass_on_phone after insert or update on public.bookings
for each row execute function private.pass_on_booking_phone();
create or replace trigger b_set_notification_phone before insert or update on public.notifications
for each row when (new.booking_key is not null) execute function private.set_notification_phone();
create or replace trigger phone_numbers_adopt_bookings after insert on public.phone_numbers
for each row execute function private.adopt_bookings();

-- Payments and what they are for, as Stripe tells of them.
create table if not exists public.payments (
    id uuid primary key default gen_random_uuid()
);
alter table public.payments
    add column if not exists stripe_id text,
    add column if not exists kind text,
    add column if not exists phone_id uuid references public.phone_numbers (id) on delete set null,
    add column if not exists customer text,
    add column if not exists customer_email text,
    add column if not exists status text,
    add column if not exists amount bigint,
    add column if not exists currency text,
    add column if not exists subscription text,
    add column if not exists invoice text,
    add column if not exists payment_intent text,
    add column if not exists period_start timestamptz,
    add column if not exists period_end timestamptz,
    add column if not exists cancel_at timestamptz,
    add column if not exists failure text,
    add column if not exists account text,
    add column if not exists livemode boolean,
    add column if not exists metadata jsonb,
    add column if not exists stripe_created timestamptz,
    add column if not exists version bigint not null default 1,
    add column if not exists created_at timestamptz default now(),
    add column if not exists updated_at timestamptz default now();
comment on column public.payments.stripe_id is 'The id of the checkout session, invoice, subscription or payment intent.';
comment on column public.payments.kind is 'checkout, invoice, subscription or payment_intent.';
comment on column public.payments.amount is 'In the currency''s smallest unit, as Stripe counts.';
create unique index if not exists payments_stripe_id_key on public.payments (stripe_id);
create index if not exists payments_phone_id_idx on public.payments (phone_id, created_at);
create index if not exists payments_customer_idx on public.payments (customer);

-- Whoever names a phone names it from memory: one that is gone must not cost the row.
create or replace function private.check_phone() returns trigger
language plpgsql set search_path = '' as $$
begin
    new.phone_id := (select p.id from public.phone_numbers p where p.id = new.phone_id);
    return new;
end
$$;
revoke execute on function private.check_phone() from public, anon, authenticated;

-- Messages of another system, told by a source of the settings; see docs/senders/sources.md.
create table if not exists public.received_messages (
    id uuid primary key default gen_random_uuid()
);
alter table public.received_messages
    add column if not exists source text,
    add column if not exists message_id text,
    add column if not exists conversation_id text,
    add column if not exists content text,
    add column if not exists content_type text,
    add column if not exists filename text,
    add column if not exists type text,
    add column if not exists channel text,
    add column if not exists status text,
    add column if not exists metadata jsonb,
    add column if not exists created_by text,
    add column if not exists updated_by text,
    add column if not exists sent_at timestamptz,
    add column if not exists changed_at timestamptz,
    add column if not exists version bigint not null default 1,
    add column if not exists created_at timestamptz default now(),
    add column if not exists updated_at timestamptz default now();
create unique index if not exists received_messages_source_message_id_key on public.received_messages (source, message_id);

do $$
declare
    kept text;
begin
    foreach kept in array array['bookings', 'notifications', 'payments', 'received_messages'] loop
        execute format('create or replace trigger bump_version before update on public.%I for each row execute function private.bump_version()', kept);
        execute format('alter table public.%I enable row level security', kept);
        execute format('revoke all on public.%I from anon, authenticated', kept);
        execute format('grant select on public.%I to authenticated', kept);
        execute format('grant select, insert, update, delete on public.%I to service_role', kept);
        execute format('drop policy if exists "people read their own, admins all" on public.%I', kept);
    end loop;
    foreach kept in array array['notifications', 'payments'] loop
        execute format('create or replace trigger a_check_phone before insert or update on public.%I for each row when (new.phone_id is not null) execute function private.check_phone()', kept);
    end loop;
    foreach kept in array array['bookings', 'notifications', 'payments'] loop
        execute format('create policy "people read their own, admins all" on public.%I for select to authenticated using ('
            'phone_id in (select p.id from public.phone_numbers p where p.user_id = (select auth.uid())) or (select private.is_admin()))', kept);
    end loop;
end
$$;
drop policy if exists "people read their own, admins all" on public.received_messages;
create policy "people read their own, admins all" on public.received_messages for select to authenticated
using (
    conversation_id in (select c.conversation_id from public.conversations c where c.user_id = (select auth.uid()))
    or (select private.is_admin())
);

insert into private.record_tables (name, key_columns) values
    ('bookings', '{booking_key}'), ('notifications', '{notification_key}'),
    ('payments', '{stripe_id}'), ('received_messages', '{source,message_id}')
on conflict (name) do update set key_columns = excluded.key_columns;
