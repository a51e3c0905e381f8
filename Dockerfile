# Debian's own Python: both stages have the same one, and every RUN line can also be
# executed in a plain Debian root (make docker-check FULL=1).

FROM debian:bookworm-slim AS build
# Versions of Debian packages are not pinned: a stable release replaces them by security fixes.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# The libraries first: they change less often than the code.
COPY requirements.lock requirements-build.lock ./
RUN python3 -m venv /opt/qunying \
    && /opt/qunying/bin/pip install --no-cache-dir --require-hashes -r requirements.lock \
    && python3 -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
COPY handlers handlers
COPY scheduler scheduler
COPY storage storage
COPY content content
RUN /opt/build/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation -w /opt/wheel . \
    && /opt/qunying/bin/pip install --no-cache-dir --no-deps --no-index /opt/wheel/*.whl \
    && /opt/qunying/bin/pip check \
    && /opt/qunying/bin/pip uninstall -y setuptools pip

FROM debian:bookworm-slim
# Fonts for the pictures in answers: Chinese, colour emoji, Arabic and other scripts of names, and
# what joins their letters and the parts of an emoji. The serif half of fonts-noto-cjk is not used:
# without it, it takes 38 MB.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates fonts-dejavu-core \
        fonts-noto-cjk fonts-noto-color-emoji libfribidi0 python3 \
    && rm -f /usr/share/fonts/opentype/noto/NotoSerifCJK-*.ttc \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --home-dir /data --no-create-home \
        --shell /usr/sbin/nologin qunying \
    && install -d -o qunying -g qunying -m 0750 /data
COPY --from=build /opt/qunying /opt/qunying
ENV PATH=/opt/qunying/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LANG=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    QUNYING_DATABASE_URL=sqlite:////data/qunying.db \
    QUNYING_WEB_HOST=0.0.0.0 \
    QUNYING_WEB_PORT=8080
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
# http.client, because urllib would ask a proxy of the environment
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python3", "-c", "import http.client as h; c = h.HTTPConnection('127.0.0.1', 8080, timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["qunying"]
CMD ["run"]
