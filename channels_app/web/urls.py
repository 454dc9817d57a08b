"""Route the page; the files it loads are served by whitenoise."""

from django.urls import path

from channels_app.web.views import page

app_name = "web"

urlpatterns = [path("", page, name="page")]
