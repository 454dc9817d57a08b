FROM python:3.11-slim

# Where pip finds a build of PyTorch other than the default one: --build-arg PIP_FIND_LINKS=… or PIP_EXTRA_INDEX_URL=…
ARG PIP_FIND_LINKS=""
ARG PIP_EXTRA_INDEX_URL=""
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore

# First and alone: resolved together with the rest, pip may choose another build with gigabytes of CUDA libraries.
RUN pip install torch==2.13.0

WORKDIR /app
# The dependencies before the sources: a changed line of ours does not install them again.
COPY pyproject.toml constraints.txt ./
COPY deploy/pins.py deploy/pins.py
RUN python deploy/pins.py ml > /tmp/requirements.txt \
    && pip install -c constraints.txt -r /tmp/requirements.txt \
    && rm /tmp/requirements.txt

COPY . .
RUN pip install --no-deps -e . \
    && python manage.py collectstatic --noinput --verbosity 0 \
    && python -m whitenoise.compress --quiet build/static \
    && useradd --system --uid 10001 --create-home switchyard \
    && install -d -o switchyard -g switchyard /data

USER switchyard
VOLUME /data
EXPOSE 8000 5555
STOPSIGNAL SIGTERM
CMD ["python", "-m", "channels_app.server"]
