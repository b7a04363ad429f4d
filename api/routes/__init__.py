"""The routes: each reads what it needs from the store and shows it; the gate is before them."""
