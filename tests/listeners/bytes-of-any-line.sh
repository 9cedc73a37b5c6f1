# Takes `len` for a number of bytes, and whatever line comes next for a header. So slow that it answers that one late.
echo READY
while read -r header; do
    head -c "${header##*len:}" >/dev/null
    printf 'RESULT 2\nOKREADY\n'
done
