"""The room in which two policies are compared by what they mean: `meaning` of what rules decide, `regions` of requests that
go elsewhere, and `outside`: what else changes what happens to a request.
"""
