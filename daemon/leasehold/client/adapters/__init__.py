"""Adapters of dynamic pools, one module a driver, which that module alone imports."""
