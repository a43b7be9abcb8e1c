# The build stage holds pip and the build backend; the image that runs holds neither sources nor tools.
FROM python:3.13-slim-bookworm AS build
WORKDIR /build
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv /tools \
    && /tools/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/build.txt \
    && python -m venv --without-pip /opt/paywall \
    && /tools/bin/python -m pip --python /opt/paywall/bin/python install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY service service
COPY alembic alembic
RUN /tools/bin/python -m pip wheel --no-cache-dir --no-index --no-deps --no-build-isolation --wheel-dir dist . \
    && /tools/bin/python -m pip --python /opt/paywall/bin/python install --no-cache-dir --no-index --no-deps dist/*.whl

FROM python:3.13-slim-bookworm
RUN useradd --system --create-home --home-dir /data --uid 10001 paywall
COPY --from=build /opt/paywall /opt/paywall
ENV PATH=/opt/paywall/bin:$PATH PYTHONUNBUFFERED=1
USER 10001
# A database in a file, where one is used, goes to the working directory.
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
CMD ["paywall", "serve", "--host", "0.0.0.0", "--port", "8000"]
