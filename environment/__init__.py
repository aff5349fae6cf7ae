"""What the environment and `.env` may say: how the file is read, and which values a setting takes."""
