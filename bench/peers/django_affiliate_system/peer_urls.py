from django.urls import include, path

urlpatterns = [path("affiliates/", include("django_affiliate_system.urls"))]
