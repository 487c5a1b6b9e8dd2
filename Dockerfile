# The image of every command: `docker build -t tamiz .`, then `docker run tamiz --help`. docs/operations.md tells how to run it.
# It needs no root, and a root file system that is read-only; everything that changes is in /var/lib/tamiz.
ARG PYTHON=3.12-slim-bookworm

FROM python:${PYTHON} AS build
WORKDIR /src
COPY requirements.lock ./
RUN python -m venv /opt/tamiz \
 && /opt/tamiz/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.lock
COPY . .
# The lock holds what tests need too; the last to go is pip itself.
RUN /opt/tamiz/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation . \
 && /opt/tamiz/bin/python deploy/unneeded.py > unneeded \
 && /opt/tamiz/bin/pip uninstall --yes --quiet -r unneeded \
 && /opt/tamiz/bin/python -m compileall -q /opt/tamiz/lib

FROM python:${PYTHON}
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libgomp1 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --system --gid 10001 tamiz \
 && useradd --system --uid 10001 --gid tamiz --home-dir /var/lib/tamiz --create-home --shell /usr/sbin/nologin tamiz
COPY --from=build /opt/tamiz /opt/tamiz
ENV PATH=/opt/tamiz/bin:$PATH \
    TAMIZ_HOME=/var/lib/tamiz \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    OMP_WAIT_POLICY=passive
USER 10001:10001
WORKDIR /var/lib/tamiz
VOLUME /var/lib/tamiz
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/livez', timeout=2)"]
ENTRYPOINT ["tamiz"]
CMD ["serve", "--host", "0.0.0.0"]
