-- Made by `make migration`: names the schema of all files before this one, for `convohooks doctor`.
comment on function public.describe_schema() is '20261121000000-e2f2483379ef';
