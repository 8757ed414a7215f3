# The live app on port 7860, for any machine:
#     docker build -t mmadfer .
#     docker run -p 7860:7860 mmadfer
# With an NVIDIA GPU (and its container toolkit): docker build --build-arg TORCH=cu130 --build-arg EXTRAS=live,export -t mmadfer .
#     docker run --gpus all -p 7860:7860 mmadfer
FROM python:3.12-slim-bookworm AS build
# Which PyTorch: cpu, or cu130 and its like for CUDA (5 GB more).
ARG TORCH=cpu
ARG EXTRAS=live,cpu
RUN pip install --no-cache-dir uv && uv venv /opt/mmadfer
COPY pyproject.toml setup.py MANIFEST.in README.md LICENSE NOTICE /src/
COPY mmadfer /src/mmadfer
COPY demo /src/demo
COPY train /src/train
COPY export /src/export
RUN uv pip install --no-cache --compile-bytecode --python /opt/mmadfer/bin/python --torch-backend "$TORCH" "/src[$EXTRAS]"

FROM python:3.12-slim-bookworm
# MediaPipe loads EGL and GLES, OpenCV loads GL and GLib.
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgl1 libegl1 libgles2 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/mmadfer /opt/mmadfer
# Fetched weights and built engines: keep them with -v mmadfer:/cache.
ENV PATH=/opt/mmadfer/bin:$PATH MMADFER_HOME=/cache HF_HOME=/cache/huggingface GRADIO_ANALYTICS_ENABLED=False PYTHONUNBUFFERED=1
RUN useradd --create-home viewer && install -d -o viewer /cache
USER viewer
WORKDIR /home/viewer
VOLUME /cache
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860/', timeout=4)"]
ENTRYPOINT ["mmadfer"]
CMD ["live", "--host", "0.0.0.0", "--port", "7860"]
