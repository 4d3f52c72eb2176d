"""The API's resources, one module each: a method is one operation of the API."""
