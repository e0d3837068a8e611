# One image, three functions: the command says which handler answers.
#   handlers.daily.handler (the default) · handlers.on_demand.handler · handlers.verify.handler

# AWS's Python 3.13 by digest, which is what counts; the tag says its age. Dependabot proposes newer
# ones, `make pin-base` takes the newest.
FROM public.ecr.aws/lambda/python:3.13.2025.10.15.12@sha256:7c68808966c4e29533d6847045c83cd3732c7f03630707a9962d95c512bd07f7 AS base

# The locked packages. They lie beside the handlers because there they come before those of the base.
FROM base AS packages
COPY infra/image-requirements.txt /tmp/requirements.txt
# No file's time is looked at when bytecode is read, so it stays good wherever the image is unpacked.
RUN python3 -m pip install --no-cache-dir --disable-pip-version-check --root-user-action ignore \
        --no-deps --only-binary :all: --require-hashes --no-compile \
        --target /packages -r /tmp/requirements.txt \
    && python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash \
        -s /packages -p "${LAMBDA_TASK_ROOT}" /packages

FROM base AS code
COPY handlers /code/handlers
COPY pipeline /code/pipeline
COPY models/default /code/models/default
COPY models/broad /code/models/broad
# Lambda runs as a user of its own: everything must be readable, whatever the umask of the checkout.
RUN python3 -m compileall -q --invalidation-mode unchecked-hash \
        -s /code -p "${LAMBDA_TASK_ROOT}" /code/handlers /code/pipeline \
    && chmod -R a+rX,go-w /code

FROM base
# ONNX Runtime reports to nobody; the bytecode is there, and nothing else could be written.
ENV ORT_DISABLE_TELEMETRY=1 \
    PYTHONDONTWRITEBYTECODE=1
COPY --from=packages /packages ${LAMBDA_TASK_ROOT}
COPY --from=code /code ${LAMBDA_TASK_ROOT}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="financial-forecaster" \
      org.opencontainers.image.description="Daily forecasts of four ETFs with calibrated prediction intervals" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
CMD ["handlers.daily.handler"]
