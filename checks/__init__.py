"""The static checks: `python -m checks` runs all of them, `python -m checks NAME …` some."""
