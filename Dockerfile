# The base is named by its digest, which .github/dependabot.yml renews: what was tried is what is built.
FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS build
WORKDIR /src
COPY requirements/demo.txt requirements/runtime.txt requirements/
RUN python -m venv /build \
    && /build/bin/pip install --no-cache-dir --require-hashes -r requirements/demo.txt \
    && python -m venv --without-pip /opt/reconciler \
    && /build/bin/pip --python /opt/reconciler/bin/python install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY reconciler reconciler
COPY schemas schemas
RUN /build/bin/python -m build --wheel --no-isolation --outdir /dist \
    && /build/bin/pip --python /opt/reconciler/bin/python install --no-cache-dir --no-deps /dist/*.whl

FROM python:3.13-slim@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b
# The state is a file: mount a volume here, and keep it between runs.
RUN useradd --uid 10001 --create-home --home-dir /workloads reconciler
COPY --from=build /opt/reconciler /opt/reconciler
ENV PATH=/opt/reconciler/bin:$PATH PYTHONUNBUFFERED=1
WORKDIR /workloads
USER 10001
ENTRYPOINT ["reconciler"]
