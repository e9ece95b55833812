"""One module for each system; :mod:`apps.rendering.registry` lists them."""
