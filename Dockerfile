# Two stages: everything that builds stays in the first.
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements.txt requirements-node.txt ./
RUN python -m venv /opt/curvecast && /opt/curvecast/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
COPY pyproject.toml README.md curvecast.py ./
COPY web web
COPY app app
# Node comes from a wheel, for this step only.
RUN PYTHON=/opt/curvecast/bin/python sh web/build.sh
COPY indexer indexer
COPY alembic alembic
COPY graphql graphql
COPY tests/node tests/node
RUN /opt/curvecast/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.12-slim
RUN useradd --system --create-home --home-dir /var/lib/curvecast curvecast
COPY --from=build /opt/curvecast /opt/curvecast
ENV PATH=/opt/curvecast/bin:$PATH PYTHONUNBUFFERED=1 CURVECAST_HOST=0.0.0.0 CURVECAST_DATA_DIR=/var/lib/curvecast/data
USER curvecast
WORKDIR /var/lib/curvecast
EXPOSE 8000
ENTRYPOINT ["curvecast"]
CMD ["serve"]
