"""Django settings of everything inside the house. The public process has its own: samizdat/public/settings.py."""

from pathlib import Path

from django.utils.csp import CSP
from django.utils.translation import gettext_lazy as _

from samizdat import databases, queue_types
from samizdat.options import HSTS_SECONDS, data_folder, option

HERE = Path(__file__).parent
DATA = data_folder()

DEBUG = False
# Filled in by vault.open() from the instance key, before anything signs with it (design.md, section 4).
SECRET_KEY = "not yet derived from the instance key"
ALLOWED_HOSTS = ["*"]  # The desk checks the host itself: web/middleware.py knows the organizations' addresses.

DATABASES = {"default": databases.house(DATA), "publicdb": databases.publicdb(DATA)}
DATABASE_ROUTERS = ["samizdat.databases.PublicDbRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

queue_types.patch_few()
INSTALLED_APPS = [
    "samizdat.events",
    "samizdat.accounts",
    "samizdat.vault",
    "samizdat.audience",
    "samizdat.fundraising",
    "samizdat.portability",
    "samizdat.campaigns",
    "samizdat.delivery",
    "samizdat.incoming",
    "samizdat.privacy",
    "samizdat.publicdb",
    "samizdat.worker",
    "samizdat.web",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
    "django_tasks_db",
    *(["procrastinate.contrib.django"] if option("DATABASE_URL") else []),
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "samizdat.web.middleware.DeskMiddleware",
]

ROOT_URLCONF = "samizdat.urls"
ASGI_APPLICATION = "samizdat.web.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "OPTIONS": {
            "loaders": [("django.template.loaders.cached.Loader", ["samizdat.template_loader.Loader"])],
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "samizdat.web.context.desk",
            ],
            "builtins": ["samizdat.web.templatetags.desk"],
        },
    }
]

AUTH_USER_MODEL = "accounts.Person"
AUTHENTICATION_BACKENDS = ["samizdat.accounts.backend.BlindIndexBackend"]
PASSWORD_HASHERS = ["samizdat.accounts.hashers.Argon2"]
AUTH_PASSWORD_VALIDATORS = [
    # Until passkeys exist a password opens everything, so it has to be long.
    {"NAME": "samizdat.accounts.passwords.LongEnough", "OPTIONS": {"min_length": 14}},
    {"NAME": "samizdat.accounts.passwords.NotCommon"},
]
LOGIN_URL = "/sign-in"

SESSION_ENGINE = "samizdat.accounts.sessions"
SESSION_COOKIE_NAME = "desk"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 12 * 3600
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_USE_SESSIONS = False
CSRF_FAILURE_VIEW = "samizdat.web.settings.views.auth.csrf_failure"
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_HSTS_SECONDS = HSTS_SECONDS
# Not no-referrer: with it browsers send "Origin: null" with a form, and the CSRF check has nothing to look at.
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "SAMEORIGIN"
SECURE_CSP = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "frame-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.SELF],
}

LANGUAGE_CODE = option("SAMIZDAT_LANGUAGE")
LANGUAGES = [("en", _("English")), ("ru", _("Russian"))]
LOCALE_PATHS = [HERE / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

STATIC_URL = "/static/"
# Served from where they lie in the package, by web/static_files.py: nothing has to be collected, and an upgrade cannot
# leave old ones behind.
STATIC_ROOT = None
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

TASKS = {
    "default": {
        "BACKEND": "samizdat.worker.queue.procrastinate_backend.ProcrastinateBackend"
        if option("DATABASE_URL")
        else "django_tasks_db.DatabaseBackend",
        "QUEUES": ["default", "senders"],
    }
}

# 2.5 MB is Django's default; an upload is sealed piece by piece and never written to a temporary file in plain
# (web/uploads.py), so the handlers that would do that are not listed.
FILE_UPLOAD_HANDLERS = ["samizdat.web.uploads.RefusingUploadHandler"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 4 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2000  # A segment of 200 conditions has five for each.

# No address, request line or body may reach a log: the filter of samizdat/logs.py is on every handler.
LOGGING_CONFIG = "samizdat.logs.configure"
LOGGING = {"version": 1}  # Not empty, or Django never calls what is named above.
