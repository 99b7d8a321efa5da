
f


service.name
webF

lib1
a ,
0123456789abcdefabcdefgh £«¬¤*nur