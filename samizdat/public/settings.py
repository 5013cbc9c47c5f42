"""Django settings of the public process: the public database and nothing else. No session, no cookie, no log of
requests."""

import secrets

from samizdat import databases
from samizdat.options import data_folder, option

DEBUG = False
SECRET_KEY = secrets.token_hex(32)  # Nothing here signs; Django wants one.
ALLOWED_HOSTS = ["*"]  # Which group's pages a name shows is decided by publicdb/queries.py.

DATABASES = {
    "default": {"ENGINE": "django.db.backends.dummy"},
    "publicdb": databases.publicdb_for_public(data_folder()),
}
DATABASE_ROUTERS = ["samizdat.databases.PublicDbRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = ["samizdat.publicdb", "samizdat.public"]
MIDDLEWARE = ["samizdat.public.middleware.QuietMiddleware"]
ROOT_URLCONF = "samizdat.public.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {"loaders": [("django.template.loaders.cached.Loader", ["samizdat.template_loader.Loader"])]},
    }
]

LANGUAGE_CODE = option("SAMIZDAT_LANGUAGE")
LANGUAGES = [("en", "English"), ("ru", "Russian")]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
APPEND_SLASH = False

# The longest form has an address, eight fields and some boxes to tick.
DATA_UPLOAD_MAX_MEMORY_SIZE = 16 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 60
FILE_UPLOAD_HANDLERS: list[str] = []  # Nobody uploads here, and a file part is never written anywhere.

LOGGING_CONFIG = "samizdat.public.middleware.configure_logs"
LOGGING = {"version": 1}  # Not empty, or Django never calls what is named above.
