def keep(report): pass
def write(): return ""
