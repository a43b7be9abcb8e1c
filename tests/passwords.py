"""Operators' passwords without the time that production takes for each, a fifth of a second."""

from argon2 import PasswordHasher

from service.identity.passwords import Passwords

QUICK = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
