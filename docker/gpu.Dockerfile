# Workers of pool gpu:
#   docker build -f docker/gpu.Dockerfile --build-arg SERL_COMMIT="$(git describe --always --dirty --abbrev=8)" -t serl-gpu .
#
# Not based on an nvidia/cuda image: torch 2.13.0 and vllm 0.32.0 bring CUDA 13.0 in their wheels, and a second CUDA
# would only be another version to keep in step. The driver comes from the host (NVIDIA container toolkit). Of those
# images only the devel image would add something, nvcc, and nothing here needs nvcc: vLLM's wheel holds compiled
# attention, the trainer uses torch's AdamW, and FlashInfer's sampler, which is compiled when the engine starts, is
# switched off below.
FROM python:3.12.13-slim-bookworm

# A compiler stays: Triton and torch.compile build their launchers when vLLM starts.
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++=4:12.2.0-* tini=0.19.0-* \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 1000 --user-group --create-home serl \
    && install -d -o serl -g serl /app/runs /home/serl/.cache /home/serl/.cache/serl /run/serl-gpus
WORKDIR /app

# Packages come before the source, so that a change of code does not install them again. vLLM needs an older numpy than
# constraints.txt pins.
COPY pyproject.toml constraints.txt ./
RUN python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb"))["project"]; print(*p["dependencies"], *p["optional-dependencies"]["gpu"], sep="\n")' \
        > /tmp/requirements.txt \
    && sed '/^numpy==/d' constraints.txt > /tmp/constraints.txt \
    && pip install --no-cache-dir --constraint /tmp/constraints.txt --requirement /tmp/requirements.txt \
    && rm /tmp/requirements.txt /tmp/constraints.txt

# Editable, because workers load flows by their path below /app, and must find the same modules there.
COPY README.md LICENSE prefect.yaml ./
COPY --chmod=755 docker/on_own_gpus.sh /usr/local/bin/on-own-gpus
COPY configs configs
COPY flows flows
COPY stages stages
COPY storage storage
RUN pip install --no-cache-dir --no-deps --editable .

# There is no checkout in the image, so only this tells two images of one release apart. GPU workers refuse a run of
# another commit.
ARG SERL_COMMIT=""
RUN test -n "$SERL_COMMIT" || { echo "pass --build-arg SERL_COMMIT=\$(git describe --always --dirty --abbrev=8)"; exit 1; }
# Every response has its own seed. FlashInfer's sampler does not support that, so vLLM would not use it anyway.
ENV SERL_COMMIT=$SERL_COMMIT SERL_CACHE=/home/serl/.cache/serl VLLM_USE_FLASHINFER_SAMPLER=0
LABEL org.opencontainers.image.title="serl-gpu" \
      org.opencontainers.image.description="SeRL: Prefect worker with vLLM, for NVIDIA GPUs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.revision=$SERL_COMMIT

USER 1000:1000
ENTRYPOINT ["tini", "--"]
CMD ["prefect", "worker", "start", "--pool", "gpu", "--limit", "1"]
