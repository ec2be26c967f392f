"""The native CPU operator: C++ behind a plain C interface, optional at installation."""
