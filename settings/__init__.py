"""Settings: typed from the environment, then shaped for Django."""
