"""Migrates the peer's database and makes its affiliates: their codes, one a line, on standard input."""

import sys

import django
from django.core.management import call_command

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django_affiliate_system.models import Affiliate, CommissionRule  # noqa: E402

call_command("migrate", verbosity=0)
codes = sys.stdin.read().split()
users = get_user_model().objects.bulk_create(
    get_user_model()(username=code, email=f"{code.lower()}@affiliate.example") for code in codes
)
Affiliate.objects.bulk_create(
    Affiliate(user=user, code=code) for user, code in zip(users, codes, strict=True)
)
CommissionRule.objects.create(name="Purchase", action_type="purchase", is_percentage=True, value=10)
