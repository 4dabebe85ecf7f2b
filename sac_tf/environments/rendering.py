"""Rendering on machines without a screen: the library that MuJoCo uses, and its renderer."""

import os
import re
import sys

_VARIABLE = "MUJOCO_GL"
_GRAPHICS = re.compile(r"OpenGL|EGL|\begl[A-Z]|GLFW|OSMesa|\bgl[A-Z]")
"""In the message of an error that a graphics library or its lack has caused."""
_REMEDIES = {
    "egl": (
        "MUJOCO_GL=egl needs EGL and a driver: install libegl1 and libgl1-mesa-dri (Debian, "
        "Ubuntu)."
    ),
    "osmesa": (
        "MUJOCO_GL=osmesa needs OSMesa: install libosmesa6 (Debian, Ubuntu), or set MUJOCO_GL=egl."
    ),
}
_WITHOUT_SCREEN = (
    "Without a screen, MuJoCo needs EGL or OSMesa: set MUJOCO_GL=egl or MUJOCO_GL=osmesa."
)


def choose_library() -> None:
    """Lets MuJoCo draw by EGL where there is no screen, unless MUJOCO_GL is set. MuJoCo reads it
    when it is imported."""
    if not os.environ.get("DISPLAY"):
        os.environ.setdefault(_VARIABLE, "egl")


def remedy() -> str:
    """Returns what to install or to set so that MuJoCo can draw, as a sentence."""
    return _REMEDIES.get(os.environ.get(_VARIABLE, ""), _WITHOUT_SCREEN)


def is_graphics_error(error: Exception) -> bool:
    """Returns whether a graphics library, or its lack, has caused an error."""
    return _GRAPHICS.search(str(error)) is not None


def renderer() -> str | None:
    """Returns the name of what has drawn the images of MuJoCo in this process ("llvmpipe" is
    software), or None if it has drawn none or nothing knows."""
    if "mujoco" not in sys.modules:
        return None
    try:
        from OpenGL import GL

        name = GL.glGetString(GL.GL_RENDERER)
    except Exception:  # no library, or no image was drawn: each driver raises its own kinds
        return None
    return name.decode() if isinstance(name, bytes) else None
