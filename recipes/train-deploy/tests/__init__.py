"""Tests of the recipe. Budget on two cores: 240 s for all, 60 s without those marked `services`."""
