-- Made by `make migration`: names the schema of all files before this one, for `convohooks doctor`.
comment on function public.describe_schema() is 'cfcd265385a3';
