"""What Magnet promises about disks, kills and damage, tried in the large: ``python -m torture``."""
