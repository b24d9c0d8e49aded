"""The addresses of django-appointment, where its documentation puts them."""

from django.urls import include, path

urlpatterns = [path("appointment/", include("appointment.urls"))]
