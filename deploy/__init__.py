"""Set-up: everything between a fresh checkout and running processes. The product imports nothing from here."""
