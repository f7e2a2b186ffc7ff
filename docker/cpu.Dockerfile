# Workers of pool cpu, the Prefect server, and the command line:
#   docker build -f docker/cpu.Dockerfile --build-arg SERL_COMMIT="$(git describe --always --dirty --abbrev=8)" -t serl-cpu .
FROM python:3.12.13-slim-bookworm

# tini reaps the orphaned child processes of killed flow runs, and passes signals on.
RUN apt-get update \
    && apt-get install -y --no-install-recommends tini=0.19.0-* \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --user-group --create-home serl \
    && install -d -o serl -g serl /app/runs /home/serl/.cache /home/serl/.cache/serl
WORKDIR /app

# Packages come before the source, so that a change of code does not install them again. On Linux, torch from the
# usual index brings CUDA along (4 GB that nothing here uses). PIP_EXTRA_INDEX_URL can name an index with builds for
# CPUs, and pip then prefers those.
ARG PIP_EXTRA_INDEX_URL=""
COPY pyproject.toml constraints.txt ./
RUN python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' \
        > /tmp/requirements.txt \
    && pip install --no-cache-dir --constraint constraints.txt --requirement /tmp/requirements.txt \
    && rm /tmp/requirements.txt

# Editable, because workers load flows by their path below /app, and must find the same modules there.
COPY README.md LICENSE prefect.yaml ./
COPY configs configs
COPY flows flows
COPY stages stages
COPY storage storage
RUN pip install --no-cache-dir --no-deps --editable .

# There is no checkout in the image, so only this tells two images of one release apart. GPU workers refuse a run of
# another commit.
ARG SERL_COMMIT=""
RUN test -n "$SERL_COMMIT" || { echo "pass --build-arg SERL_COMMIT=\$(git describe --always --dirty --abbrev=8)"; exit 1; }
ENV SERL_COMMIT=$SERL_COMMIT SERL_CACHE=/home/serl/.cache/serl
LABEL org.opencontainers.image.title="serl-cpu" \
      org.opencontainers.image.description="SeRL: Prefect worker and command line, without a GPU" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision=$SERL_COMMIT

USER 1000:1000
ENTRYPOINT ["tini", "--"]
CMD ["prefect", "worker", "start", "--pool", "cpu"]
