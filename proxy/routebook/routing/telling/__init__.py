"""Why a request went where it went, for people and for programs: first as values, then as text or JSON."""
