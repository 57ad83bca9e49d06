"""While Supabase is away: the circuit, the spool, and what sends its rows later."""
