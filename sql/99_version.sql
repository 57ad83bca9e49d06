-- Made by `make migration`: names the schema of all files before this one, for `convohooks doctor`.
comment on function public.describe_schema() is '20261121000000-b6c55dc62700';
