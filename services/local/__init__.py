"""A Supabase for machines without Docker, made of real parts; for development and tests only."""
