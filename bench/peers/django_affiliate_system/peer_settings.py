"""The least that serves django-affiliate-system: JSON alone, and of the middleware only what gives
answers their length, for the peer's own is optional and costs time."""

import os

SECRET_KEY = "only for benchmarks, on the loopback address"
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "rest_framework",
    "django_affiliate_system",
]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "peer_urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": os.environ["PEER_HOST"],
        "NAME": os.environ["PEER_DATABASE"],
        "USER": "refledger",
        "CONN_MAX_AGE": None,  # connections stay open
        # One transaction for each request instead of three; both are tried.
        "ATOMIC_REQUESTS": os.environ.get("PEER_ATOMIC") == "1",
    }
}
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
}
AFFILIATE_SYSTEM = {"DOMAIN_PROTOCOL": "http", "DOMAIN": "127.0.0.1"}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
