def paint_folder(out, **k): raise NotImplementedError
