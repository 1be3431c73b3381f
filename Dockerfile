# The image of the operator, and of the gateway (args: [gateway]): Python, and what uv.lock names. Everything comes as wheels,
# so nothing here compiles C. Whom to trust for downloads is the base image's business (UV_SYSTEM_CERTS), as for pip.
#
# The package `kubernetes` (119 MB) reads kubeconfigs, which a pod has none of: it is left out. Commands for people, such as
# `ucloud-operator release`, want it where they don't run in a pod: install the project with pip there.
ARG BASE_IMAGE=python:3.13-slim-trixie

FROM ${BASE_IMAGE} AS build
ENV UV_PROJECT_ENVIRONMENT=/opt/ucloud-operator \
    UV_PYTHON_DOWNLOADS=never \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_NO_CACHE=1 \
    UV_SYSTEM_CERTS=1
WORKDIR /src
COPY pyproject.toml uv.lock ./
# The uv that the project itself uses; then the dependencies, in a layer of their own that a change of code leaves alone.
RUN pip install --no-cache-dir --root-user-action=ignore "$(sed -n 's/^ *"\(uv==.*\)",/\1/p' pyproject.toml)" \
    && uv sync --frozen --no-dev --extra gateway --no-install-package kubernetes --no-install-project
COPY README.md LICENSE ./
COPY operator ./operator
RUN uv sync --frozen --no-dev --extra gateway --no-install-package kubernetes --no-editable

# The interpreter must be at the same path in both stages: the environment points to it.
FROM ${BASE_IMAGE}
COPY --from=build /opt/ucloud-operator /opt/ucloud-operator
ENV PATH=/opt/ucloud-operator/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["ucloud-operator"]
CMD ["run"]
