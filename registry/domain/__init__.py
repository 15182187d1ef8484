"""The rules of the gift registry. Pure: no Azure, no clock, no environment."""
