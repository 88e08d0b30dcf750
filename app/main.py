"""What each of `curvecast serve --workers` runs; WebSockets need uvicorn with `app.transport.server.server_options`."""

from app.application import create_app
from app.settings import Settings

app = create_app(Settings.from_env())
